"""A GGUF file as a model: its header read without torch, and its conversion into an ordinary Hugging Face directory."""
