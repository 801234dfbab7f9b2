"""Plans the whole of a real server's model catalogue and checks every plan with code that the planner does not share."""
