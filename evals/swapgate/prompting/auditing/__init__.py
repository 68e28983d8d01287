"""How the prompts of a workspace travel: each on each model, what fails and how, which overrides pay."""
