"""How the exact sweeps are computed: plan, layers, matrix products, counted arithmetic."""
