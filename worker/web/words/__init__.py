"""The words of the pages, in French and English: one module for each page, or for each family of pages."""
