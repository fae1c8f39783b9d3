"""RouteNator: training data for function-calling models, from a domain to a measured dataset."""
