"""Inference on streams of answers: drops and the segments that cause them, silences, jumps of promoters. Pure."""
