"""Charts in one style, and the pictures that subjects are drawn as."""
