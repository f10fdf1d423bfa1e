"""The arithmetic of holdings: values in, values out."""
