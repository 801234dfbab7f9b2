"""Plans a real server's whole model catalogue and checks every plan with code that the planner does not share."""
