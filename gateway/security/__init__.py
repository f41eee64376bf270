"""Who may do what: API keys, roles, the door that every request passes, the audit trail."""
