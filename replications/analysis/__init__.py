"""Reading a model: logit attribution, head scores, linear fits, statistics."""
