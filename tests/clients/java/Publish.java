import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.AppInfoParser;

/** Publishes the runs of a plan by Kafka's own client. Its default partitioner is murmur2, so there is none to choose. */
public final class Publish {
    public static void main(String[] arguments) throws Exception {
        JsonNode plan = new ObjectMapper().readTree(new File(arguments[0]));
        int published = 0;
        for (JsonNode run : plan.get("runs")) {
            published += publish(plan, run);
        }
        System.out.printf("{\"version\": \"%s\", \"published\": %d}%n", AppInfoParser.getVersion(), published);
    }

    private static int publish(JsonNode plan, JsonNode run) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", plan.get("bootstrap").asText());
        settings.put("compression.type", plan.get("codec").asText());
        settings.put("linger.ms", run.get("linger_ms").asText());
        settings.put("batch.size", run.get("batch_bytes").asText());
        String transaction = run.get("transaction").asText("");
        if (!transaction.isEmpty()) {
            settings.put("transactional.id", UUID.randomUUID().toString());
        }
        try (var producer =
                new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            if (!transaction.isEmpty()) {
                producer.initTransactions();
                producer.beginTransaction();
            }
            List<Future<RecordMetadata>> sending = new ArrayList<>();
            for (JsonNode record : run.get("records")) {
                sending.add(producer.send(recordOf(plan.get("topic").asText(), record)));
            }
            producer.flush();
            for (Future<RecordMetadata> each : sending) {
                each.get(60, TimeUnit.SECONDS);
            }
            if (transaction.equals("commit")) {
                producer.commitTransaction();
            } else if (transaction.equals("abort")) {
                producer.abortTransaction();
            }
            return sending.size();
        }
    }

    private static ProducerRecord<byte[], byte[]> recordOf(String topic, JsonNode record) throws Exception {
        List<Header> headers = new ArrayList<>();
        for (JsonNode header : record.get("headers")) {
            String name = new String(header.get(0).binaryValue(), StandardCharsets.UTF_8);
            headers.add(new RecordHeader(name, bytesOf(header.get(1))));
        }
        Long timestamp = record.get("timestamp").isNull() ? null : record.get("timestamp").asLong();
        return new ProducerRecord<>(
                topic, null, timestamp, bytesOf(record.get("key")), bytesOf(record.get("value")), headers);
    }

    private static byte[] bytesOf(JsonNode text) throws Exception {
        return text.isNull() ? null : text.binaryValue();
    }

    private Publish() {}
}
