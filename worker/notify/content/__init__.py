"""What a notice says, in French and English, before a channel lays it out: pages, words, links, cleaned texts. Pure."""
