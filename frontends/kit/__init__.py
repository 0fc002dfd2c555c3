"""What all front-ends share: the platform's client, pages with words in two languages, signed cookies, one way to begin."""
