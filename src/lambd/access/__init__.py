"""Who calls, and whether they may: one judgement for every door."""
