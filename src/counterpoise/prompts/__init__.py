"""From a problem to the text and token ids the policy sees."""
