"""profile-sync: RabbitMQ events in, Copernica API calls out, the profiles published back."""
