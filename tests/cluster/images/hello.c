/* The program of the cluster's own tests: answers every HTTP request on port 8080 with the pod's host name. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void end(int number) {
  (void)number;
  _exit(0);
}

int main(void) {
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  signal(SIGTERM, end);
  signal(SIGPIPE, SIG_IGN);
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(8080), .sin_addr.s_addr = INADDR_ANY};
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 16) != 0) return 1;
  for (;;) {
    int peer = accept(listener, NULL, NULL);
    if (peer < 0) continue;
    char request[4096];
    (void)!read(peer, request, sizeof request);
    char reply[512];
    int length = snprintf(reply, sizeof reply,
                          "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
                          strlen(host) + 1, host);
    (void)!write(peer, reply, (size_t)length);
    close(peer);
  }
}
