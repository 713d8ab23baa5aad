/* notify: tells systemd how the service stands. Without a NOTIFY_SOCKET it does nothing. */
#pragma once

void notify_ready(const char *status);
void notify_stopping(void);
