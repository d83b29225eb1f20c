// SPDX-License-Identifier: GPL-2.0
/*
 * Speaks the module's generic netlink for whoever can run a program. The text
 * that `get` prints is what `set` reads. It needs no library, so that one static
 * file runs on every node; it acts in the network namespace that it runs in.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../podwire_bypass.h"

static const char usage[] =
	"Usage: podwire-bypass-ctl set < CONFIGURATION | get | counters | renew [GENERATION]\n"
	"\n"
	"A configuration has lines like these; all but the first may be left out or repeated:\n"
	"  mode off|observe|untrack|bypass\n"
	"  generation NUMBER      refuse unless this is still the present one\n"
	"  lease SECONDS          off again unless renewed in time\n"
	"  pod|exclude|node|peer ADDRESS/LENGTH\n"
	"  tunnel udp PORT\n";

static const char * const modes[] = { "off", "observe", "untrack", "bypass" };

static const struct {
	const char *word;
	unsigned short attribute;
} sets[] = {
	{ "pod", PODWIRE_BYPASS_A_PODS },
	{ "exclude", PODWIRE_BYPASS_A_EXCLUDED },
	{ "node", PODWIRE_BYPASS_A_NODE },
	{ "peer", PODWIRE_BYPASS_A_PEERS },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* An attribute says its length in 16 bits. */
#define PREFIXES_AT_ONCE 3000

static int netlink = -1;
/* Of the last error, if the kernel had any. */
static const char *reason;
static unsigned int sequence;

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("podwire-bypass-ctl: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	exit(1);
}

/* A message that grows. */
struct message {
	char *bytes;
	size_t length;
	size_t room;
};

static void *extend(struct message *message, size_t length)
{
	size_t padded = NLMSG_ALIGN(length);
	void *at;

	if (message->length + padded > message->room) {
		message->room = 2 * (message->room + padded);
		message->bytes = realloc(message->bytes, message->room);
		if (!message->bytes)
			fail("out of memory");
	}
	at = message->bytes + message->length;
	memset(at, 0, padded);
	message->length += padded;
	return at;
}

static void begin(struct message *message, int family, int command, int flags)
{
	struct nlmsghdr *header;
	struct genlmsghdr *generic;

	message->length = 0;
	header = extend(message, NLMSG_HDRLEN);
	header->nlmsg_type = family;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	header->nlmsg_seq = ++sequence;
	generic = extend(message, GENL_HDRLEN);
	generic->cmd = command;
	generic->version = 1;
}

static void add(struct message *message, int type, const void *data, size_t length)
{
	struct nlattr *attribute = extend(message, NLA_HDRLEN + length);

	attribute->nla_type = type;
	attribute->nla_len = NLA_HDRLEN + length;
	memcpy((char *)attribute + NLA_HDRLEN, data, length);
}

static void add_number(struct message *message, int type, __u32 number)
{
	add(message, type, &number, sizeof(number));
}

static void connect_netlink(void)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int yes = 1, size = 64 * 1024 * 1024;

	netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (netlink < 0 || connect(netlink, (struct sockaddr *)&kernel, sizeof(kernel)))
		fail("netlink: %s", strerror(errno));
	setsockopt(netlink, SOL_NETLINK, NETLINK_EXT_ACK, &yes, sizeof(yes));
	setsockopt(netlink, SOL_NETLINK, NETLINK_CAP_ACK, &yes, sizeof(yes));
	/* A whole configuration is one message. */
	setsockopt(netlink, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
}

typedef void reader(const struct nlattr *attribute, void *context);

static void read_attributes(char *at, int left, reader *read, void *context)
{
	while (left >= NLA_HDRLEN) {
		struct nlattr *attribute = (struct nlattr *)at;

		if (attribute->nla_len < NLA_HDRLEN || attribute->nla_len > left)
			fail("a malformed answer from the kernel");
		read(attribute, context);
		at += NLA_ALIGN(attribute->nla_len);
		left -= NLA_ALIGN(attribute->nla_len);
	}
}

static const void *data_of(const struct nlattr *attribute)
{
	return (const char *)attribute + NLA_HDRLEN;
}

static int length_of(const struct nlattr *attribute)
{
	return attribute->nla_len - NLA_HDRLEN;
}

static void read_reason(const struct nlattr *attribute, void *context)
{
	if (attribute->nla_type == NLMSGERR_ATTR_MSG)
		reason = data_of(attribute);
	(void)context;
}

static int outcome(struct nlmsghdr *header)
{
	struct nlmsgerr *error = NLMSG_DATA(header);
	int code = *(int *)NLMSG_DATA(header);
	size_t fixed = NLMSG_LENGTH(sizeof(*error));

	reason = NULL;
	if (header->nlmsg_type == NLMSG_ERROR && (header->nlmsg_flags & NLM_F_ACK_TLVS))
		read_attributes((char *)header + fixed, header->nlmsg_len - fixed, read_reason, NULL);
	return -code;
}

/* Sends it and hands every message of the answer to `answer`. Returns the error. */
static int talk(struct message *message, reader *answer, void (*end)(void), void *context)
{
	static char buffer[1 << 16];
	struct nlmsghdr *header = (struct nlmsghdr *)message->bytes;

	header->nlmsg_len = message->length;
	if (send(netlink, message->bytes, message->length, 0) < 0)
		fail("netlink: %s", strerror(errno));
	for (;;) {
		ssize_t length = recv(netlink, buffer, sizeof(buffer), 0);

		if (length < 0)
			fail("netlink: %s", strerror(errno));
		for (header = (struct nlmsghdr *)buffer; NLMSG_OK(header, length);
		     header = NLMSG_NEXT(header, length)) {
			int fixed = NLMSG_HDRLEN + GENL_HDRLEN;

			if (header->nlmsg_type == NLMSG_ERROR || header->nlmsg_type == NLMSG_DONE)
				return outcome(header);
			if (header->nlmsg_flags & NLM_F_DUMP_INTR)
				return EINTR;
			if (answer)
				read_attributes((char *)header + fixed, header->nlmsg_len - fixed,
						answer, context);
			if (end)
				end();
		}
	}
}

static void demand(int error)
{
	if (error)
		fail("%s%s%s", strerror(error), reason ? ": " : "", reason ? reason : "");
}

static void read_family(const struct nlattr *attribute, void *context)
{
	if (attribute->nla_type == CTRL_ATTR_FAMILY_ID)
		*(int *)context = *(const __u16 *)data_of(attribute);
}

static int find_family(struct message *message)
{
	int family = 0, error;

	begin(message, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK);
	add(message, CTRL_ATTR_FAMILY_NAME, PODWIRE_BYPASS_FAMILY, sizeof(PODWIRE_BYPASS_FAMILY));
	error = talk(message, read_family, NULL, &family);
	if (error == ENOENT || family == 0)
		fail("the module podwire_bypass is not loaded");
	demand(error);
	return family;
}

struct prefixes {
	struct podwire_bypass_prefix *all;
	size_t count;
	size_t room;
};

static struct prefixes prefixes[COUNT(sets)];

static void parse_prefix(char *text, struct prefixes *to, int line)
{
	struct podwire_bypass_prefix *prefix;
	char *slash = strchr(text, '/'), *end = NULL;
	unsigned long length;

	if (to->count == to->room) {
		to->room = 2 * to->room + 64;
		to->all = realloc(to->all, to->room * sizeof(*to->all));
		if (!to->all)
			fail("out of memory");
	}
	prefix = &to->all[to->count++];
	memset(prefix, 0, sizeof(*prefix));
	if (slash)
		*slash = 0;
	length = slash ? strtoul(slash + 1, &end, 10) : 0;
	prefix->family = strchr(text, ':') ? 6 : 4;
	if (!slash || end == slash + 1 || *end || length > 128 ||
	    inet_pton(prefix->family == 4 ? AF_INET : AF_INET6, text, prefix->address) != 1)
		fail("line %d: \"%s\": expected ADDRESS/LENGTH", line, text);
	prefix->length = length;
}

static unsigned long parse_number(const char *text, unsigned long greatest, int line)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || number > greatest)
		fail("line %d: \"%s\": expected a number up to %lu", line, text, greatest);
	return number;
}

static void parse_line(char *word, char *first, struct message *message, int line)
{
	size_t i;

	for (i = 0; i < COUNT(sets); i++) {
		if (!strcmp(word, sets[i].word) && *first) {
			parse_prefix(first, &prefixes[i], line);
			return;
		}
	}
	if (!strcmp(word, "mode")) {
		for (i = 0; i < COUNT(modes); i++) {
			if (!strcmp(first, modes[i])) {
				add_number(message, PODWIRE_BYPASS_A_MODE, i);
				return;
			}
		}
		fail("line %d: mode \"%s\": expected off, observe, untrack or bypass", line, first);
	} else if (!strcmp(word, "generation")) {
		add_number(message, PODWIRE_BYPASS_A_GENERATION, parse_number(first, ~0U, line));
	} else if (!strcmp(word, "lease")) {
		add_number(message, PODWIRE_BYPASS_A_LEASE,
			   parse_number(first, PODWIRE_BYPASS_MAX_LEASE, line));
	} else if (strcmp(word, "left")) {
		fail("line %d: unknown word \"%s\"\n\n%s", line, word, usage);
	}
}

static void set(int family, struct message *message)
{
	struct podwire_bypass_tunnel tunnels[PODWIRE_BYPASS_MAX_TUNNELS];
	size_t tunnel_count = 0, i, from;
	char text[256];
	int line = 0;

	begin(message, family, PODWIRE_BYPASS_CMD_SET, NLM_F_ACK);
	while (fgets(text, sizeof(text), stdin)) {
		char word[64] = "", first[128] = "", second[64] = "";

		line++;
		if (sscanf(text, "%63s %127s %63s", word, first, second) < 1 || *word == '#')
			continue;
		if (strcmp(word, "tunnel")) {
			parse_line(word, first, message, line);
			continue;
		}
		if (tunnel_count == COUNT(tunnels))
			fail("line %d: more than %zu tunnels", line, COUNT(tunnels));
		if (strcmp(first, "udp"))
			fail("line %d: tunnel \"%s\": expected udp; STT skips netfilter by itself", line, first);
		tunnels[tunnel_count++] = (struct podwire_bypass_tunnel){
			.protocol = IPPROTO_UDP,
			.port = htons(parse_number(second, 65535, line)),
		};
	}
	for (i = 0; i < COUNT(sets); i++) {
		for (from = 0; from < prefixes[i].count; from += PREFIXES_AT_ONCE) {
			size_t left = prefixes[i].count - from;

			if (left > PREFIXES_AT_ONCE)
				left = PREFIXES_AT_ONCE;
			add(message, sets[i].attribute, prefixes[i].all + from,
			    left * sizeof(*prefixes[i].all));
		}
	}
	if (tunnel_count > 0)
		add(message, PODWIRE_BYPASS_A_TUNNELS, tunnels, tunnel_count * sizeof(tunnels[0]));
	demand(talk(message, NULL, NULL, NULL));
}

static void print_set(const char *word, const struct nlattr *attribute)
{
	const struct podwire_bypass_prefix *prefix = data_of(attribute);
	int left = length_of(attribute) / sizeof(*prefix);
	char text[INET6_ADDRSTRLEN];

	for (; left > 0; left--, prefix++)
		printf("%s %s/%u\n", word,
		       inet_ntop(prefix->family == 4 ? AF_INET : AF_INET6, prefix->address, text,
				 sizeof(text)), prefix->length);
}

static void print_configuration(const struct nlattr *attribute, void *context)
{
	const struct podwire_bypass_tunnel *tunnel = data_of(attribute);
	const __u32 *number = data_of(attribute);
	size_t i;

	(void)context;
	switch (attribute->nla_type) {
	case PODWIRE_BYPASS_A_MODE:
		printf("mode %s\n", *number < COUNT(modes) ? modes[*number] : "?");
		break;
	case PODWIRE_BYPASS_A_GENERATION:
		printf("generation %u\n", *number);
		break;
	case PODWIRE_BYPASS_A_LEASE:
		printf("lease %u\n", *number);
		break;
	case PODWIRE_BYPASS_A_LEASE_LEFT:
		printf("left %u\n", *number);
		break;
	case PODWIRE_BYPASS_A_TUNNELS:
		for (i = 0; i < length_of(attribute) / sizeof(*tunnel); i++)
			printf("tunnel udp %u\n", ntohs(tunnel[i].port));
		break;
	}
	for (i = 0; i < COUNT(sets); i++) {
		if (attribute->nla_type == sets[i].attribute)
			print_set(sets[i].word, attribute);
	}
}

static void print_counter(const struct nlattr *attribute, void *context)
{
	unsigned long long number;

	(void)context;
	if (attribute->nla_type == PODWIRE_BYPASS_A_HOOK ||
	    attribute->nla_type == PODWIRE_BYPASS_A_REASON) {
		printf("%s ", (const char *)data_of(attribute));
	} else if (attribute->nla_type != PODWIRE_BYPASS_A_PAD) {
		memcpy(&number, data_of(attribute), sizeof(number));
		printf("%llu ", number);
	}
}

static void end_line(void)
{
	putchar('\n');
}

/* A configuration that was replaced while it was read is not printed. */
static void get(int family, struct message *message)
{
	FILE *screen = stdout;
	char *text;
	size_t length;
	int error;

	do {
		stdout = open_memstream(&text, &length);
		begin(message, family, PODWIRE_BYPASS_CMD_GET, NLM_F_DUMP);
		error = talk(message, print_configuration, NULL, NULL);
		fclose(stdout);
	} while (error == EINTR);
	stdout = screen;
	demand(error);
	fputs(text, stdout);
	free(text);
}

int main(int count, char **words)
{
	const char *command = count > 1 ? words[1] : "";
	struct message message = {};
	int family;

	if (count == 1 || strcmp(command, "renew") ? count != 2 : count > 3) {
		fputs(usage, stderr);
		return 2;
	}
	connect_netlink();
	family = find_family(&message);
	if (!strcmp(command, "set")) {
		set(family, &message);
	} else if (!strcmp(command, "get")) {
		get(family, &message);
	} else if (!strcmp(command, "counters")) {
		begin(&message, family, PODWIRE_BYPASS_CMD_COUNTERS, NLM_F_DUMP);
		demand(talk(&message, print_counter, end_line, NULL));
	} else if (!strcmp(command, "renew")) {
		begin(&message, family, PODWIRE_BYPASS_CMD_RENEW, NLM_F_ACK);
		if (count == 3)
			add_number(&message, PODWIRE_BYPASS_A_GENERATION,
				   parse_number(words[2], ~0U, 0));
		demand(talk(&message, NULL, NULL, NULL));
	} else {
		fputs(usage, stderr);
		return 2;
	}
	free(message.bytes);
	return fflush(stdout) || ferror(stdout);
}
