"""Trust: who may talk to whom. The private build CA, its certificates, and the words both sides share about them."""
