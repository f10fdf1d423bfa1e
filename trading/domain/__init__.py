"""What follows from orders, fills, decisions and limits: values in, values out."""
