"""What happened, proven: audits over stored data, and reports."""
