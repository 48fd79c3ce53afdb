// Apache Velocity 1.7 as the second implementation: templates in, results out.
//
// Shape: on standard input "template-bytes body-bytes\n" and both texts, for each case; on standard
// output "ok bytes\n" or "error bytes\n" and the text. `bench FILE ROUNDS` prints nanoseconds a
// render instead. The fixture is the one of `mapping/tables.rs`. Source: the engine model: a
// missing reference is an empty text, objects print as Java maps, arrays as JSON.

import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.velocity.VelocityContext;
import org.apache.velocity.app.VelocityEngine;
import org.apache.velocity.app.event.*;
import org.apache.velocity.context.Context;
import org.apache.velocity.runtime.RuntimeConstants;
import org.apache.velocity.util.introspection.Info;

public class Oracle {
    static class JsonList extends ArrayList<Object> {
        public String toString() { return json(this); }
    }

    static class Silent extends LinkedHashMap<String, Object> {
        public String toString() { return ""; }
    }

    public static class Empty implements InvalidReferenceEventHandler {
        public Object invalidGetMethod(Context c, String r, Object o, String p, Info i) { return ""; }
        public boolean invalidSetMethod(Context c, String l, String r, Info i) { return false; }
        public Object invalidMethod(Context c, String r, Object o, String m, Info i) { return ""; }
    }

    static String json(Object value) {
        if (value == null) return "null";
        if (value instanceof Map) {
            StringJoiner out = new StringJoiner(",", "{", "}");
            for (Map.Entry<?, ?> e : ((Map<?, ?>) value).entrySet())
                out.add(quoted(String.valueOf(e.getKey())) + ":" + json(e.getValue()));
            return out.toString();
        }
        if (value instanceof List) {
            StringJoiner out = new StringJoiner(",", "[", "]");
            for (Object item : (List<?>) value) out.add(json(item));
            return out.toString();
        }
        if (value instanceof String) return quoted((String) value);
        return value.toString();
    }

    static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            switch (c) {
                case '"': out.append("\\\""); break;
                case '\\': out.append("\\\\"); break;
                case '\n': out.append("\\n"); break;
                case '\r': out.append("\\r"); break;
                case '\t': out.append("\\t"); break;
                case '\b': out.append("\\b"); break;
                case '\f': out.append("\\f"); break;
                default: if (c < 32) out.append(String.format("\\u%04X", (int) c)); else out.append(c);
            }
        }
        return out.append('"').toString();
    }

    static class Json {
        final String s; int at;
        Json(String s) { this.s = s; }
        static Object parse(String s) {
            Json j = new Json(s);
            Object v = j.value();
            j.space();
            if (j.at != s.length()) throw new IllegalArgumentException("no JSON");
            return v;
        }
        void space() { while (at < s.length() && " \t\r\n".indexOf(s.charAt(at)) >= 0) at++; }
        boolean eat(char c) { space(); if (at < s.length() && s.charAt(at) == c) { at++; return true; } return false; }
        void need(char c) { if (!eat(c)) throw new IllegalArgumentException("no JSON"); }
        Object value() {
            space();
            if (at >= s.length()) throw new IllegalArgumentException("no JSON");
            char c = s.charAt(at);
            if (c == '{') {
                at++;
                Map<String, Object> m = new LinkedHashMap<>();
                if (eat('}')) return m;
                do { space(); String k = string(); need(':'); m.put(k, value()); } while (eat(','));
                need('}');
                return m;
            }
            if (c == '[') {
                at++;
                JsonList l = new JsonList();
                if (eat(']')) return l;
                do l.add(value()); while (eat(','));
                need(']');
                return l;
            }
            if (c == '"') return string();
            for (String w : new String[] {"true", "false", "null"})
                if (s.startsWith(w, at)) { at += w.length(); return w.equals("null") ? null : (Object) Boolean.valueOf(w); }
            int from = at;
            while (at < s.length() && "+-.eE0123456789".indexOf(s.charAt(at)) >= 0) at++;
            String n = s.substring(from, at);
            if (n.matches("-?\\d+")) try { return Integer.valueOf(n); } catch (NumberFormatException e) { return Long.valueOf(n); }
            return Double.valueOf(n);
        }
        String string() {
            if (s.charAt(at++) != '"') throw new IllegalArgumentException("no JSON");
            StringBuilder out = new StringBuilder();
            while (true) {
                char c = s.charAt(at++);
                if (c == '"') return out.toString();
                if (c != '\\') { out.append(c); continue; }
                c = s.charAt(at++);
                int i = "nrtbf".indexOf(c);
                if (i >= 0) out.append("\n\r\t\b\f".charAt(i));
                else if (c == 'u') { out.append((char) Integer.parseInt(s.substring(at, at + 4), 16)); at += 4; }
                else out.append(c);
            }
        }
    }

    public static class Input {
        final String body;
        final Map<String, Object> params;
        Object document; boolean parsed;
        Input(String body, Map<String, Object> params) { this.body = body.isEmpty() ? "{}" : body; this.params = params; }
        public String getBody() { return body; }
        public Map<String, Object> params() { return params; }
        public String params(String name) {
            for (Object map : params.values()) {
                Object found = ((Map<?, ?>) map).get(name);
                if (found != null) return (String) found;
            }
            return "";
        }
        public Object path(String path) {
            if (!parsed) { parsed = true; try { document = Json.parse(body); } catch (RuntimeException e) { document = null; } }
            Object at = document;
            String rest = path.substring(1);
            while (!rest.isEmpty()) {
                java.util.regex.Matcher m = java.util.regex.Pattern.compile("^(?:\\.([A-Za-z_]\\w*)|\\['([^']*)'\\]|\\[(\\d+)\\])(.*)$").matcher(rest);
                if (!m.matches()) throw new UnsupportedOperationException("path");
                String name = m.group(1) != null ? m.group(1) : m.group(2);
                rest = m.group(4);
                if (name != null) at = at instanceof Map ? ((Map<?, ?>) at).get(name) : null;
                else { int i = Integer.parseInt(m.group(3)); at = at instanceof List && i < ((List<?>) at).size() ? ((List<?>) at).get(i) : null; }
            }
            return at;
        }
        public String json(String path) { Object found = path(path); return found == null ? "\"\"" : Oracle.json(found); }
    }

    public static class Util {
        public String escapeJavaScript(String s) {
            StringBuilder out = new StringBuilder();
            for (char c : s.toCharArray()) {
                int i = "\n\r\t\b\f".indexOf(c);
                if ("\"'/\\".indexOf(c) >= 0) out.append('\\').append(c);
                else if (i >= 0) out.append('\\').append("nrtbf".charAt(i));
                else if (c < 32) out.append(String.format("\\u%04X", (int) c));
                else out.append(c);
            }
            return out.toString();
        }
        public Object parseJson(String s) { return Json.parse(s); }
        public String urlEncode(String s) throws Exception { return java.net.URLEncoder.encode(s, "UTF-8"); }
        public String urlDecode(String s) throws Exception { return java.net.URLDecoder.decode(s, "UTF-8"); }
        public String base64Encode(String s) { return Base64.getEncoder().encodeToString(s.getBytes(StandardCharsets.UTF_8)); }
        public String base64Decode(String s) { return new String(Base64.getDecoder().decode(s), StandardCharsets.UTF_8); }
    }

    static Map<String, Object> map(Map<String, Object> m, Object... pairs) {
        for (int i = 0; i < pairs.length; i += 2) m.put((String) pairs[i], pairs[i + 1]);
        return m;
    }

    static VelocityContext context(String body) {
        VelocityContext c = new VelocityContext();
        c.put("input", new Input(body, map(new LinkedHashMap<>(),
            "path", map(new LinkedHashMap<>(), "id", "42"),
            "querystring", map(new LinkedHashMap<>(), "q1", "v1", "q2", "it's \"x\"/y"),
            "header", map(new LinkedHashMap<>(), "h1", "hv", "X-Y", "xy"))));
        c.put("util", new Util());
        c.put("stageVariables", map(new LinkedHashMap<>(), "a", "A", "b-c", "BC"));
        c.put("context", map(new Silent(),
            "requestId", "r-1", "stage", "dev", "httpMethod", "POST", "resourcePath", "/pets/{id}",
            "identity", map(new Silent(), "sourceIp", "203.0.113.9", "userAgent", "curl/8"),
            "authorizer", map(new Silent(), "principalId", "user-1", "claims", map(new Silent(), "sub", "s-1")),
            "requestOverride", map(new Silent(), "path", new Silent(), "querystring", new Silent(), "header", new Silent()),
            "responseOverride", map(new Silent(), "header", new Silent())));
        return c;
    }

    static VelocityEngine engine() {
        VelocityEngine engine = new VelocityEngine();
        engine.setProperty("runtime.log.logsystem.class", "org.apache.velocity.runtime.log.NullLogChute");
        engine.setProperty("eventhandler.invalidreferences.class", "Oracle$Empty");
        engine.setProperty(RuntimeConstants.VM_LIBRARY, "");
        engine.setProperty("input.encoding", "UTF-8");
        engine.init();
        return engine;
    }

    static String render(String template, String body) {
        VelocityEngine engine = engine();
        StringWriter out = new StringWriter();
        engine.evaluate(context(body), out, "t", template);
        return out.toString();
    }

    static void bench(String file, String bodyFile, int rounds) throws Exception {
        String template = new String(java.nio.file.Files.readAllBytes(java.nio.file.Paths.get(file)), StandardCharsets.UTF_8);
        String body = new String(java.nio.file.Files.readAllBytes(java.nio.file.Paths.get(bodyFile)), StandardCharsets.UTF_8);
        org.apache.velocity.runtime.RuntimeInstance rt = new org.apache.velocity.runtime.RuntimeInstance();
        rt.setProperty("runtime.log.logsystem.class", "org.apache.velocity.runtime.log.NullLogChute");
        rt.setProperty("eventhandler.invalidreferences.class", "Oracle$Empty");
        rt.setProperty(RuntimeConstants.VM_LIBRARY, "");
        rt.init();
        org.apache.velocity.Template t = new org.apache.velocity.Template();
        t.setRuntimeServices(rt);
        t.setData(rt.parse(new StringReader(template), "t"));
        t.initDocument();
        for (int pass = 0; pass < 5; pass++) {
            long start = System.nanoTime();
            for (int i = 0; i < rounds; i++) { StringWriter out = new StringWriter(); t.merge(context(body), out); }
            long ns = (System.nanoTime() - start) / rounds;
            if (pass > 0) System.out.println(ns);
        }
    }

    public static void main(String[] args) throws Exception {
        if (args.length == 4 && args[0].equals("bench")) { bench(args[1], args[2], Integer.parseInt(args[3])); return; }
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in));
        PrintStream out = new PrintStream(new BufferedOutputStream(System.out), false, "UTF-8");
        while (true) {
            String line = in.readLine();
            if (line == null) break;
            String[] sizes = line.split(" ");
            byte[] template = new byte[Integer.parseInt(sizes[0])];
            in.readFully(template);
            byte[] body = new byte[Integer.parseInt(sizes[1])];
            in.readFully(body);
            String word = "ok", text;
            try { text = render(new String(template, StandardCharsets.UTF_8), new String(body, StandardCharsets.UTF_8)); }
            catch (Throwable e) { word = "error"; text = String.valueOf(e.getMessage()); }
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            out.print(word + " " + bytes.length + "\n");
            out.write(bytes);
            out.flush();
        }
    }
}
