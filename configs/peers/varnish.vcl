# Varnish for `versus`: answers in malloc'ed memory. Without a cache every request is passed.
vcl 4.1;

@IF LIMIT@
import vsthrottle;
@END@

backend origin {
    .host = "@HOST@";
    .port = "@ORIGIN_PORT@";
}

sub vcl_recv {
@IF LIMIT@
    if (vsthrottle.is_denied(client.identity, 1, 1h)) {
        return (synth(429, "Too Many Requests"));
    }
@END@
@IF CACHE@
    return (hash);
@ELSE@
    return (pass);
@END@
}
