// SPDX-License-Identifier: Apache-2.0
/*
 * Makes and changes links of kind "stt" with what iproute2 has no words for,
 * and shows them as JSON. Needs no library.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../podwire_stt.h"

/* More do not fit one attribute. */
#define PEERS_MAX 3270

static const char usage[] =
	"Usage: podwire-stt-ctl add NAME [SETTING...]    makes a link\n"
	"       podwire-stt-ctl set NAME [SETTING...]    changes it\n"
	"       podwire-stt-ctl show NAME                as JSON\n"
	"       podwire-stt-ctl counters NAME            as JSON\n"
	"\n"
	"  port NUMBER              TCP port, 7471 by default; only with add\n"
	"  output full|notrack|none what of netfilter sees what is sent\n"
	"  peers any                anybody may send to this node (the default)\n"
	"  peers -                  whom the prefixes of standard input name, one a line\n";

static const char *const outputs[] = { "full", "notrack", "none" };

/* One attribute holds as many bytes, the list of peers with them. */
static struct {
	struct nlmsghdr header;
	struct ifinfomsg link;
	char attributes[66000];
} request;

static void fail(const char *what, const char *value, const char *expected)
{
	fprintf(stderr, "podwire-stt-ctl: %s \"%s\": %s\n", what, value, expected);
	exit(1);
}

static struct rtattr *put(int type, const void *data, size_t length)
{
	char *end_of_request = (char *)&request + NLMSG_ALIGN(request.header.nlmsg_len);
	struct rtattr *attribute = (void *)end_of_request;

	if (RTA_LENGTH(length) > 65535 ||
	    request.header.nlmsg_len + RTA_SPACE(length) > sizeof(request))
		fail("list", "peers", "too long for the kernel: expected fewer or wider prefixes");
	attribute->rta_type = (unsigned short)type;
	attribute->rta_len = (unsigned short)RTA_LENGTH(length);
	if (length)
		memcpy(RTA_DATA(attribute), data, length);
	request.header.nlmsg_len = (unsigned int)(NLMSG_ALIGN(request.header.nlmsg_len) +
						  RTA_ALIGN(attribute->rta_len));
	return attribute;
}

static void end(struct rtattr *nest)
{
	size_t length = (size_t)((char *)&request + request.header.nlmsg_len - (char *)nest);

	if (length > 65535)
		fail("list", "peers", "too long for the kernel: expected fewer or wider prefixes");
	nest->rta_len = (unsigned short)length;
}

static struct stt_prefix prefix_of(char *text)
{
	struct stt_prefix prefix = { .length = 128 };
	char *slash = strchr(text, '/');
	int is_ipv4, most;

	if (slash)
		*slash = 0;
	is_ipv4 = inet_pton(AF_INET, text, prefix.address + 12) == 1;
	if (is_ipv4)
		memset(prefix.address + 10, 0xff, 2);
	else if (inet_pton(AF_INET6, text, prefix.address) != 1)
		fail("peer", text, "no address: expected for example 192.0.2.1 or 2001:db8::/64");
	most = is_ipv4 ? 32 : 128;
	if (slash) {
		char *rest;
		unsigned long length = strtoul(slash + 1, &rest, 10);

		if (!slash[1] || *rest || length > (unsigned long)most)
			fail("length of a prefix", slash + 1, "expected a number of bits");
		prefix.length = (unsigned char)(length + (is_ipv4 ? 96 : 0));
	}
	return prefix;
}

static void put_peers(const char *where)
{
	static struct stt_prefix list[PEERS_MAX];
	char line[128], word[128];
	size_t count = 0;

	if (!strcmp(where, "any")) {
		put(IFLA_STT_ANY_PEER, NULL, 0);
		return;
	}
	if (strcmp(where, "-"))
		fail("peers", where, "expected \"any\", or \"-\" and prefixes by standard input");
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%127s", word) != 1)
			continue;
		if (count == PEERS_MAX)
			fail("peers", where, "too many: expected at most 3270, or wider prefixes");
		list[count++] = prefix_of(word);
	}
	put(IFLA_STT_PEERS, list, count * sizeof(list[0]));
}

static void put_setting(const char *name, const char *value)
{
	if (!strcmp(name, "port")) {
		char *rest;
		unsigned long port = strtoul(value, &rest, 10);
		__be16 wire = htons((unsigned short)port);

		if (*rest || !port || port > 65535)
			fail("port", value, "expected a number from 1 to 65535");
		put(IFLA_STT_PORT, &wire, sizeof(wire));
	} else if (!strcmp(name, "output")) {
		for (unsigned char i = 0; i < __STT_OUTPUT_MAX; i++) {
			if (strcmp(value, outputs[i]))
				continue;
			put(IFLA_STT_OUTPUT, &i, sizeof(i));
			return;
		}
		fail("output", value, "expected full, notrack or none");
	} else if (!strcmp(name, "peers")) {
		put_peers(value);
	} else {
		fail("setting", name, "expected port, output or peers");
	}
}

static const char *reason(const struct nlmsghdr *answer)
{
	const struct nlmsgerr *error = NLMSG_DATA(answer);
	size_t at = NLMSG_LENGTH(sizeof(*error));
	const struct rtattr *attribute;
	int left;

	if (!(answer->nlmsg_flags & NLM_F_ACK_TLVS))
		return strerror(-error->error);
	if (!(answer->nlmsg_flags & NLM_F_CAPPED))
		at += error->msg.nlmsg_len - sizeof(error->msg);
	attribute = (const void *)((const char *)answer + NLMSG_ALIGN(at));
	left = (int)(answer->nlmsg_len - NLMSG_ALIGN(at));
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left))
		if (attribute->rta_type == NLMSGERR_ATTR_MSG)
			return RTA_DATA(attribute);
	return strerror(-error->error);
}

/* Sends the request; returns the kernel's first message that is no success. */
static struct nlmsghdr *ask(void)
{
	static union {
		struct nlmsghdr header;
		char bytes[131072];
	} answer;
	int on = 1, s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t length;

	setsockopt(s, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	if (send(s, &request, request.header.nlmsg_len, 0) < 0)
		fail("netlink", "send", strerror(errno));
	length = recv(s, &answer, sizeof(answer), 0);
	close(s);
	if (length < (ssize_t)sizeof(answer.header))
		fail("netlink", "receive", strerror(errno));
	if (answer.header.nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *error = NLMSG_DATA(&answer.header);

		if (error->error)
			fail("the kernel refused", (char *)RTA_DATA(request.attributes),
			     reason(&answer.header));
	}
	return &answer.header;
}

static const struct rtattr *find(const struct rtattr *attribute, int length, int type)
{
	for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length))
		if ((attribute->rta_type & NLA_TYPE_MASK) == type)
			return attribute;
	return NULL;
}

static const struct rtattr *find_in(const struct rtattr *nest, int type)
{
	return nest ? find(RTA_DATA(nest), (int)RTA_PAYLOAD(nest), type) : NULL;
}

static int show(const char *name)
{
	const struct nlmsghdr *answer = ask();
	const struct rtattr *info, *kind, *data, *port, *output, *count, *sum;
	unsigned char mode;

	info = find(IFLA_RTA(NLMSG_DATA(answer)), (int)IFLA_PAYLOAD(answer), IFLA_LINKINFO);
	kind = find_in(info, IFLA_INFO_KIND);
	data = find_in(info, IFLA_INFO_DATA);
	port = find_in(data, IFLA_STT_PORT);
	output = find_in(data, IFLA_STT_OUTPUT);
	count = find_in(data, IFLA_STT_PEER_COUNT);
	sum = find_in(data, IFLA_STT_PEER_SUM);
	if (!kind || strcmp(RTA_DATA(kind), "stt") || !port || !output)
		fail("link", name, "is not of kind stt");
	mode = *(unsigned char *)RTA_DATA(output);
	printf("{\"port\":%u,\"output\":\"%s\",\"peers\":", ntohs(*(__be16 *)RTA_DATA(port)),
	       mode < __STT_OUTPUT_MAX ? outputs[mode] : "unknown");
	if (count && sum)
		printf("%u,\"sum\":%u}\n", *(unsigned int *)RTA_DATA(count),
		       *(unsigned int *)RTA_DATA(sum));
	else
		printf("\"any\"}\n");
	return 0;
}

/* Room for more than the module has. */
#define COUNTERS_MAX 128

static int ask_ethtool(int s, struct ifreq *about, void *command)
{
	about->ifr_data = command;
	return ioctl(s, SIOCETHTOOL, about);
}

static int counters(const char *name)
{
	static struct {
		struct ethtool_gstrings head;
		char names[COUNTERS_MAX][ETH_GSTRING_LEN];
	} strings = { .head = { .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_STATS } };
	static struct {
		struct ethtool_stats head;
		unsigned long long values[COUNTERS_MAX];
	} stats = { .head = { .cmd = ETHTOOL_GSTATS } };
	struct ethtool_drvinfo driver = { .cmd = ETHTOOL_GDRVINFO };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq about = { 0 };

	strcpy(about.ifr_name, name);
	if (ask_ethtool(s, &about, &driver) < 0)
		fail("link", name, strerror(errno));
	if (strcmp(driver.driver, "podwire_stt") || driver.n_stats > COUNTERS_MAX)
		fail("link", name, "is not of kind stt");
	strings.head.len = driver.n_stats;
	stats.head.n_stats = driver.n_stats;
	if (ask_ethtool(s, &about, &strings) < 0 || ask_ethtool(s, &about, &stats) < 0)
		fail("counters of", name, strerror(errno));
	close(s);
	for (unsigned int i = 0; i < driver.n_stats; i++)
		printf("%c\"%.*s\":%llu", i ? ',' : '{', ETH_GSTRING_LEN, strings.names[i],
		       stats.values[i]);
	puts(driver.n_stats ? "}" : "{}");
	return 0;
}

int main(int argc, char **argv)
{
	struct rtattr *info, *data;
	int is_add, is_show;

	if (argc < 3 || argc % 2 == 0) {
		fputs(usage, stderr);
		return 2;
	}
	is_add = !strcmp(argv[1], "add");
	is_show = !strcmp(argv[1], "show");
	if (strlen(argv[2]) >= IFNAMSIZ)
		fail("name", argv[2], "expected at most 15 letters");
	if (!strcmp(argv[1], "counters"))
		return counters(argv[2]);
	request.header.nlmsg_len = NLMSG_LENGTH(sizeof(request.link));
	request.header.nlmsg_type = is_show ? RTM_GETLINK : RTM_NEWLINK;
	request.header.nlmsg_flags = NLM_F_REQUEST;
	put(IFLA_IFNAME, argv[2], strlen(argv[2]) + 1);
	if (is_show)
		return show(argv[2]);
	if (!is_add && strcmp(argv[1], "set"))
		fail("command", argv[1], "expected add, set, show or counters");
	request.header.nlmsg_flags |= NLM_F_ACK | (is_add ? NLM_F_CREATE | NLM_F_EXCL : 0);
	info = put(IFLA_LINKINFO, NULL, 0);
	put(IFLA_INFO_KIND, "stt", 3);
	data = put(IFLA_INFO_DATA, NULL, 0);
	for (int i = 3; i < argc; i += 2)
		put_setting(argv[i], argv[i + 1]);
	end(data);
	end(info);
	ask();
	return 0;
}
