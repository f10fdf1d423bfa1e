"""Questions to market data; nothing here writes."""
