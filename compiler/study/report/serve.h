/* A study's report on the loopback address, made anew as its runs go on. */
#ifndef RLC_COMPILER_STUDY_REPORT_SERVE_H
#define RLC_COMPILER_STUDY_REPORT_SERVE_H

#include "compiler/commands/session.h"

typedef struct Server Server;

/* Makes the report of a study's folder and serves it on 127.0.0.1: "/" is the page, which asks for
 * itself again and again, all else a file below DIR/report. Nothing outside of it is given out,
 * nothing is taken. port 0: SERVER_PORT, or any that is free. NULL after a message. */
Server *server_start(Session *session, const char *folder, uint16_t port);
uint16_t server_port(const Server *server);
/* Looks at the runs, if someone has asked for the report lately, and makes it anew when something
 * happened, or when it could not be made before. Looking and making take less than a twentieth of
 * the time. Returns whether it was made. */
bool server_look(Server *server);
void server_stop(Server *server);

#define SERVER_PORT 8420

#endif
