"""Inference on streams of answers: drops and whom they come from, silences, jumps of promoters, likeness. Pure."""
