"""archc: a compiler for convolutional architectures."""

__version__ = "0.1.0"
