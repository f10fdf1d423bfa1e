"""What writes derived figures, and nothing else."""
