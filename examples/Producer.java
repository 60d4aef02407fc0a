// Publishes one response, keyed by its customer, with Kafka's own client. Java 17 or later runs it without a build:
// java -cp 'DIRECTORY/OF/KAFKA/libs/*' examples/Producer.java [HOST:PORT [TOPIC]]
// On a machine where `make demo` has run, Kafka's libraries are in ~/.cache/detractor-worker:
// java -cp "$(echo ~/.cache/detractor-worker/kafka-*/)*" examples/Producer.java [HOST:PORT [TOPIC]]

import java.time.Instant;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

public class Producer {
    public static void main(String[] arguments) throws Exception {
        String servers = arguments.length > 0 ? arguments[0] : "localhost:9092";
        String topic = arguments.length > 1 ? arguments[1] : "nps.responses";
        String customer = "c-2";
        String response = """
            {"response_id": "r-2", "survey_id": "after-delivery", "customer_id": "%s", "score": 3,
             "comment": "Livré en retard.", "responded_at": "%s", "segment": ["fr", "lyon", "delivery"]}
            """.formatted(customer, Instant.now());
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", servers,
            "key.serializer", StringSerializer.class,
            "value.serializer", StringSerializer.class);
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings)) {
            producer.send(new ProducerRecord<>(topic, customer, response)).get();
        }
    }
}
