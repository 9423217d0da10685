"""A simulated fleet with real trained models, to see Vigil at work without Kafka (`demo`) or with it (`simulate`)."""
