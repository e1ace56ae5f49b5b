"""What is told without changing anything: state, plan, history, figures, and what all of these ask for."""
