import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** The business side: tokens, callbacks and pushes. See ../README.md. */
public final class Business {
    private static final String API = env("PUSH_API", "http://127.0.0.1:21314");
    private static final String CREDENTIAL = env("PUSH_NAMESPACE", "/demo") + ":" + env("PUSH_PASSWORD", "");
    private static final String CALLBACK_SECRET = env("CALLBACK_SECRET", "callback-secret");
    private static final String TOKEN_SECRET = env("TOKEN_SECRET", "token-secret");
    private static final Pattern SIGNATURE = Pattern.compile("t=(\\d{1,12}),v1=([0-9a-f]{64})");
    private static final HttpClient HTTP = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();

    private record Answer(int status, String body) {}

    private static String env(String name, String fallback) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? fallback : value;
    }

    private static byte[] mac(String secret, byte[]... parts) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
        for (byte[] part : parts) {
            mac.update(part);
        }
        return mac.doFinal();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Checks x-lightpush-signature over the request as it arrived. */
    private static boolean signed(HttpExchange request, byte[] body) throws GeneralSecurityException {
        String header = request.getRequestHeaders().getFirst("x-lightpush-signature");
        Matcher m = SIGNATURE.matcher(header == null ? "" : header);
        if (!m.matches() || Math.abs(Instant.now().getEpochSecond() - Long.parseLong(m.group(1))) > 300) {
            return false;
        }
        String head = m.group(1) + "." + request.getRequestMethod() + "." + request.getRequestURI() + ".";
        return MessageDigest.isEqual(mac(CALLBACK_SECRET, bytes(head), body), HexFormat.of().parseHex(m.group(2)));
    }

    private static String encode(byte[] data) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(data);
    }

    /** A JWT with HS256. Issue one only to a user who has logged in. */
    private static String issue(String userid) throws GeneralSecurityException {
        long now = Instant.now().getEpochSecond();
        String payload = "{\"sub\":" + quote(userid) + ",\"iat\":" + now + ",\"exp\":" + (now + 300) + "}";
        String text = encode(bytes("{\"alg\":\"HS256\",\"typ\":\"JWT\"}")) + "." + encode(bytes(payload));
        return text + "." + encode(mac(TOKEN_SECRET, bytes(text)));
    }

    /** The user a token was issued to, or null. The algorithm is ours, whatever the token's header says. */
    private static String userOf(String token) throws GeneralSecurityException {
        String[] parts = token == null ? new String[0] : token.split("\\.");
        if (parts.length != 3) {
            return null;
        }
        byte[] given;
        try {
            given = Base64.getUrlDecoder().decode(parts[2]);
        } catch (IllegalArgumentException e) {
            return null;
        }
        if (!MessageDigest.isEqual(mac(TOKEN_SECRET, bytes(parts[0] + "." + parts[1])), given)) {
            return null;
        }
        String payload = new String(Base64.getUrlDecoder().decode(parts[1]), StandardCharsets.UTF_8);
        return Long.parseLong(field(payload, "exp")) > Instant.now().getEpochSecond() ? field(payload, "sub") : null;
    }

    private static Answer push(String room, String text) throws IOException, InterruptedException {
        String message = "{\"room\":" + quote(room) + ",\"pushData\":{\"text\":" + quote(text) + "},\"leaveMessage\":true}";
        HttpRequest request = HttpRequest.newBuilder(URI.create(API + "/api/auth/push"))
            .timeout(Duration.ofSeconds(5))
            .header("content-type", "application/json")
            .header("authorization", "Basic " + Base64.getEncoder().encodeToString(bytes(CREDENTIAL)))
            .POST(HttpRequest.BodyPublishers.ofString(message))
            .build();
        HttpResponse<String> answer = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
        return new Answer(answer.statusCode(), answer.body());
    }

    private static Answer handle(HttpExchange request, byte[] body)
            throws GeneralSecurityException, IOException, InterruptedException {
        Map<String, String> query = query(request.getRequestURI().getRawQuery());
        String text = new String(body, StandardCharsets.UTF_8);
        switch (request.getRequestMethod() + " " + request.getRequestURI().getPath()) {
            case "GET /token":
                return new Answer(200, "{\"token\":" + quote(issue(query.get("userid"))) + "}");
            case "GET /in":
                if (!signed(request, body)) {
                    return new Answer(401, "{\"msg\":\"bad signature\"}");
                }
                String user = userOf(query.get("token"));
                if (user == null || !user.equals(query.get("userid"))) {
                    return new Answer(403, "{\"msg\":\"not you\"}");
                }
                return new Answer(200, "{\"userid\":" + quote(user) + ",\"rooms\":[\"news\"]}");
            case "POST /out":
                if (!signed(request, body)) {
                    return new Answer(401, "{\"msg\":\"bad signature\"}");
                }
                // The delivery is the same for repeats: a key.
                System.out.println("gone " + field(text, "userid") + " " + field(text, "uuid") + " "
                    + request.getRequestHeaders().getFirst("x-lightpush-delivery"));
                return new Answer(200, "{}");
            case "POST /send":
                return push(field(text, "room"), field(text, "text"));
            default:
                return new Answer(404, "{\"msg\":\"not found\"}");
        }
    }

    private static Map<String, String> query(String raw) {
        Map<String, String> query = new HashMap<>();
        for (String pair : raw == null ? new String[0] : raw.split("&")) {
            int at = pair.indexOf('=');
            if (at > 0) {
                query.put(pair.substring(0, at), URLDecoder.decode(pair.substring(at + 1), StandardCharsets.UTF_8));
            }
        }
        return query;
    }

    // Java has no JSON of its own. These two read and write what this example needs; use your JSON library instead.
    private static String field(String json, String name) {
        Matcher m = Pattern.compile("\"" + name + "\"\\s*:\\s*(?:\"((?:[^\"\\\\]|\\\\.)*)\"|(\\d+))").matcher(json);
        if (!m.find()) {
            throw new IllegalArgumentException("no " + name);
        }
        return m.group(1) == null ? m.group(2) : m.group(1).replace("\\\"", "\"").replace("\\\\", "\\");
    }

    private static String quote(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\' || c < ' ') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }

    private static void serve(HttpExchange request) throws IOException {
        Answer answer;
        try {
            answer = handle(request, request.getRequestBody().readNBytes(1 << 20));
        } catch (GeneralSecurityException | IOException | InterruptedException | RuntimeException e) {
            System.err.println(e);
            answer = new Answer(500, "{\"msg\":\"internal error\"}");
        }
        request.getResponseHeaders().set("content-type", "application/json");
        request.getResponseHeaders().set("access-control-allow-origin", "*");
        byte[] body = bytes(answer.body());
        request.sendResponseHeaders(answer.status(), body.length);
        request.getResponseBody().write(body);
        request.close();
    }

    public static void main(String[] args) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(env("PORT", "8090"))), 0);
        server.createContext("/", Business::serve);
        server.setExecutor(Executors.newFixedThreadPool(16));
        server.start();
        System.out.println("business on http://127.0.0.1:" + server.getAddress().getPort());
    }
}
