"""Torch modules back into `.arch` text: traced by torch.export, re-rolled, and proved by building them again."""
