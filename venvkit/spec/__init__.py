"""What the model asks: specs, the requirement language, engine data, and the request made of them. Pure."""
