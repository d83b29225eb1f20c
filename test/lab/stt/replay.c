// SPDX-License-Identifier: Apache-2.0
/*
 * replay [-s SEED] [-r RATE] INTERFACE COUNT: sends Ethernet frames from stdin,
 * each behind its length in two bytes, COUNT of them in all, over and over, at
 * most RATE a second. With a seed some bytes of each are changed first, or all
 * that is behind the IP header, and mostly the checksum of its TCP is made right
 * again, so that changes are seen by more than a checksum.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAMES 4096
#define SIZE 8192

static struct { uint16_t length; uint8_t bytes[SIZE]; } frames[FRAMES];
static uint64_t state;

static uint32_t draw(uint32_t below)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(state >> 33) % below;
}

static uint32_t sum(const uint8_t *bytes, size_t length, uint32_t total)
{
	for (size_t at = 0; at < length; at++)
		total += at % 2 ? bytes[at] : (uint32_t)bytes[at] << 8;
	return total;
}

static uint16_t fold(uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)~total;
}

static void put(uint8_t *bytes, uint16_t value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

static void repair(uint8_t *frame, size_t length)
{
	uint8_t *ip = frame + 14, *tcp;
	size_t size, pseudo;

	if (frame[12] == 0x08) {
		size = 20;
		pseudo = 12;
		put(ip + 10, 0);
		put(ip + 10, fold(sum(ip, 20, 0)));
	} else {
		size = 40;
		pseudo = 8;
	}
	tcp = ip + size;
	length -= 14 + size;
	put(tcp + 16, 0);
	put(tcp + 16, fold(sum(tcp, length, sum(ip + pseudo, size - pseudo, 6 + (uint32_t)length))));
}

static size_t mutate(uint8_t *frame, size_t length)
{
	size_t headers = 14 + (frame[12] == 0x08 ? 20 : 40);
	size_t most = length - headers < 90 ? length - headers : 90;

	for (uint32_t changes = 1 + draw(4); changes; changes--) {
		/* Behind the IP header, where the tunnel reads; half of them at interesting values. */
		uint8_t *at = frame + headers + draw((uint32_t)(draw(8) ? most : length - headers));
		static const uint8_t edges[] = { 0, 1, 0x7f, 0x80, 0xff, 0x45, 0x60, 6, 17 };

		*at = draw(2) ? edges[draw(sizeof(edges))] : (uint8_t)draw(256);
	}
	if (!draw(16)) {
		for (size_t at = headers; at < length; at++)
			frame[at] = (uint8_t)draw(256);
		/* A plain acknowledgement, mostly: others are refused at once. */
		if (draw(4) && length > headers + 20)
			put(frame + headers + 12, 0x5010);
	}
	/* Fragments of nothing in particular. */
	if (headers == 34 && !draw(64))
		put(frame + 20, (uint16_t)draw(1 << 16));
	/* The destination port stays, or the tunnel would not look. */
	put(frame + headers + 2, 7471);
	if (!draw(16) && length > headers + 60) {
		length -= draw((uint32_t)(length - headers - 20));
		if (headers == 34)
			put(frame + 16, (uint16_t)(length - 14));
		else
			put(frame + 18, (uint16_t)(length - 54));
	}
	if (draw(16))
		repair(frame, length);
	return length;
}

int main(int argc, char **argv)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	int is_mutating = 0, known = 0, option, out;
	unsigned long count, rate = 0;
	uint8_t prefix[2], frame[SIZE];

	while ((option = getopt(argc, argv, "s:r:")) != -1) {
		if (option == 's') {
			is_mutating = 1;
			state = strtoull(optarg, NULL, 10);
		} else if (option == 'r') {
			rate = strtoul(optarg, NULL, 10);
		} else {
			return 2;
		}
	}
	if (argc - optind != 2) {
		fprintf(stderr, "usage: replay [-s SEED] [-r RATE] INTERFACE COUNT < frames\n");
		return 2;
	}
	count = strtoul(argv[optind + 1], NULL, 10);
	while (known < FRAMES && fread(prefix, 2, 1, stdin) == 1) {
		frames[known].length = (uint16_t)(prefix[0] << 8 | prefix[1]);
		if (frames[known].length > SIZE || fread(frames[known].bytes, frames[known].length, 1, stdin) != 1) {
			fprintf(stderr, "frame %d is cut off or too long\n", known);
			return 1;
		}
		known++;
	}
	out = socket(AF_PACKET, SOCK_RAW, 0);
	to.sll_ifindex = (int)if_nametoindex(argv[optind]);
	if (out < 0 || !to.sll_ifindex || !known) {
		fprintf(stderr, "no socket, no %s or no frames: %s\n", argv[optind], strerror(errno));
		return 1;
	}
	for (unsigned long sent = 0; sent < count; sent++) {
		int which = (int)(is_mutating ? draw((uint32_t)known) : sent % (unsigned long)known);
		size_t length = frames[which].length;

		memcpy(frame, frames[which].bytes, length);
		if (is_mutating)
			length = mutate(frame, length);
		while (sendto(out, frame, length, 0, (struct sockaddr *)&to, sizeof(to)) < 0) {
			if (errno != ENOBUFS && errno != EAGAIN) {
				fprintf(stderr, "sending: %s\n", strerror(errno));
				return 1;
			}
			usleep(100);
		}
		if (rate)
			usleep((useconds_t)(1000000 / rate));
	}
	printf("%lu\n", count);
	return 0;
}
