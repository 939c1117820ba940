"""How many pods, cores and bits so many calls need, by figures that were measured."""
