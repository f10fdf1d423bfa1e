"""Questions to derived figures and to what they are derived from; nothing here writes."""
