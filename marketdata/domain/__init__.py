"""What prices, rates and instruments are, and the rules they keep; pure."""
