"""Inference on streams of answers: drops, the segments that cause them, silences, sudden rises of promoters. Pure."""
