"""The demo: RabbitMQ, a stand-in for the API and the service, shown at work in a minute."""
