#!/usr/bin/python3
"""http_server.py FILE [CERTIFICATE KEY]: serves FILE in good and bad ways on a free port of 127.0.0.1.

The port goes to ./port, the path of every request to ./requests."""
import http.server
import os
import ssl
import sys

CONTENT = open(sys.argv[1], "rb").read()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open("requests", "a") as requests:
            requests.write(self.path + "\n")
        name = self.path.split("?")[0].strip("/").split("/")[0]
        getattr(self, "get_" + name, self.get_file)()

    def answer(self, status, content=b"", **headers):
        self.send_response(status)
        for key, value in {"Content-Length": len(content), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content)

    def get_file(self):
        self.answer(200, CONTENT)

    def get_moved(self):
        self.answer(302, b"elsewhere", Location="/file")

    def get_circle(self):
        self.answer(302, Location="/circle")

    def get_missing(self):
        self.answer(404, b"<html>not here</html>")

    def get_forbidden(self):
        self.answer(403)

    def get_broken(self):
        self.answer(503)

    def get_cut(self):
        self.answer(200, CONTENT[:len(CONTENT) // 2], **{"Content-Length": len(CONTENT)})

    def get_stuck(self):
        self.send_response(200)
        self.send_header("Content-Length", len(CONTENT))
        self.end_headers()
        self.wfile.write(CONTENT[:1])
        self.wfile.flush()
        self.rfile.read(1)  # until the client is gone

    def get_page(self):
        self.answer(200, b"<html>log in</html>", **{"Content-Type": "text/html; charset=utf-8"})

    def get_down(self):
        self.answer(302, Location="http://127.0.0.1/file")

    def get_to(self):
        self.answer(302, Location=self.path.split("?", 1)[1])

    def get_huge(self):
        self.answer(200, b"x", **{"Content-Length": 1 << 40})

    def get_away(self):
        self.answer(302, Location="file:///etc/passwd")

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
with open("port.new", "w") as port:
    port.write(str(server.server_port))
os.rename("port.new", "port")
server.serve_forever()
