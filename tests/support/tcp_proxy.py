"""A way to a server on this machine that can be cut, slow, or silent."""

import socket
import struct
import threading
import time


class TcpProxy:
    """Passes bytes on to `port` of this machine, until cut() resets all connections. slow_down(n) makes the n-th connection, from 0, bring a MiB a second; after fall_silent() nothing more is passed on."""

    def __init__(self, port):
        self.to = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = []
        self.slow = []  # of each connection
        self.lock = threading.Lock()
        self.speaks = threading.Event()
        self.speaks.set()
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.speaks.set()
        self.cut()

    def fall_silent(self):
        self.speaks.clear()

    def slow_down(self, number):
        self.slow[number].set()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                client.close()
                continue
            with self.lock:
                self.sockets += [client, server]
            slow = threading.Event()
            self.slow.append(slow)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self.pass_on, args=(source, sink, slow), daemon=True).start()

    def pass_on(self, source, sink, slow):
        try:
            while data := source.recv(65536):
                self.speaks.wait()
                sink.sendall(data)
                if slow.is_set():
                    time.sleep(len(data) / (1 << 20))
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # cut, or reset by one side: the other is to see it, too
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def cut(self):
        """As when a firewall forgets its connections: both sides get a reset at their next word."""
        with self.lock:
            sockets, self.sockets = self.sockets, []
        for end in sockets:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            try:
                end.shutdown(socket.SHUT_RD)  # whoever waits in recv() lets go of it
            except OSError:
                pass
            end.close()
