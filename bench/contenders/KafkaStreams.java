import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** The reduced job on Kafka Streams: validate, the last 100 scores of each segment in memory and on a changelog, alerts for 0 to 6. */
class Reduced implements Processor<byte[], byte[], String, byte[]> {
    private static final String STORE = "segments";
    private static final int LAST = 100;
    private static final int DETRACTOR = 6;
    private static final int LONGEST_ID = 200;
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final OperatingSystemMXBean MACHINE =
            ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);

    private final long events;
    private final CountDownLatch done;
    private long seen;
    private long wall;
    private long cpu;
    private KeyValueStore<String, byte[]> scores;
    private ProcessorContext<String, byte[]> context;

    Reduced(long events, CountDownLatch done) {
        this.events = events;
        this.done = done;
    }

    public static void main(String[] none) throws Exception {
        Map<String, String> task = System.getenv();
        CountDownLatch done = new CountDownLatch(1);
        Reduced job = new Reduced(Long.parseLong(task.get("BENCH_EVENTS")), done);
        String name = task.get("BENCH_NAME");

        Properties settings = new Properties();
        settings.put("application.id", name);
        settings.put("bootstrap.servers", task.get("BENCH_KAFKA"));
        settings.put("auto.offset.reset", "earliest");
        settings.put("num.stream.threads", "1");
        settings.put("max.poll.records", "2000");
        settings.put("producer.linger.ms", "20");
        settings.put("replication.factor", "1");
        settings.put("state.dir", name + "-state"); // where it is started: whoever starts it removes that

        Topology topology = new Topology();
        var bytes = Serdes.ByteArray();
        topology.addSource("responses", bytes.deserializer(), bytes.deserializer(), task.get("BENCH_TOPIC"));
        topology.addProcessor("job", () -> new Shared(job), "responses");
        topology.addStateStore(
                Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(STORE), Serdes.String(), bytes)
                        .withCachingEnabled(),
                "job");
        topology.addSink("alerts", name + ".alerts", Serdes.String().serializer(), bytes.serializer(), "job");
        new KafkaStreams(topology, settings).start();
        done.await();
        Runtime.getRuntime().halt(0);
    }

    /** A task for each partition, one thread for all: they share the count. */
    record Shared(Reduced job, Reduced own) implements Processor<byte[], byte[], String, byte[]> {
        Shared(Reduced job) {
            this(job, new Reduced(0, null));
        }

        @Override
        public void init(ProcessorContext<String, byte[]> context) {
            own.init(context);
        }

        @Override
        public void process(Record<byte[], byte[]> response) {
            job.begin();
            own.process(response);
            job.count();
        }
    }

    @Override
    public void init(ProcessorContext<String, byte[]> context) {
        this.context = context;
        this.scores = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        try {
            JsonNode response = JSON.readTree(record.value());
            int score = response.get("score").intValue();
            String id = response.get("response_id").textValue();
            if (score < 0 || score > 10 || id == null || id.isEmpty() || id.length() > LONGEST_ID) {
                return;
            }
            OffsetDateTime.parse(response.get("responded_at").textValue());
            List<String> path = new ArrayList<>();
            response.get("segment").forEach(name -> path.add(name.textValue()));
            String segment = String.join("/", path);
            byte[] known = scores.get(segment);
            byte[] last;
            if (known == null) {
                last = new byte[1];
            } else if (known.length < LAST) {
                last = Arrays.copyOf(known, known.length + 1);
            } else {
                last = Arrays.copyOfRange(known, 1, LAST + 1);
            }
            last[last.length - 1] = (byte) score;
            scores.put(segment, last);
            if (score <= DETRACTOR) {
                byte[] alert = JSON.writeValueAsBytes(Map.of("id", id, "segment", path));
                context.forward(record.withKey(segment).withValue(alert));
            }
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }

    private void begin() {
        if (wall == 0) {
            wall = System.nanoTime();
            cpu = MACHINE.getProcessCpuTime();
        }
    }

    private void count() {
        seen++;
        if (seen == events) {
            System.out.printf(
                    "{\"events\": %d, \"seconds\": %.6f, \"cpu_seconds\": %.6f, \"peak_mb\": %.1f}%n",
                    seen, (System.nanoTime() - wall) / 1e9, (MACHINE.getProcessCpuTime() - cpu) / 1e9, peakMb());
            System.out.flush();
            done.countDown();
        }
    }

    private static double peakMb() {
        try {
            return Files.readAllLines(Path.of("/proc/self/status")).stream()
                    .filter(line -> line.startsWith("VmHWM"))
                    .mapToDouble(line -> Double.parseDouble(line.replaceAll("\\D", "")) / 1024)
                    .sum();
        } catch (IOException error) {
            return Double.NaN;
        }
    }
}
