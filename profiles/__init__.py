"""What FHIR means here: definitions, FHIRPath, the validator, terminology, the Indonesian profiles and rules."""
