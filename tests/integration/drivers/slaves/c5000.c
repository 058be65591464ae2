/* A Modbus slave on libmodbus with the registers of a Compac C5000 (100 to 131), over TCP or RTU.
 *
 *   c5000 tcp PORT UNIT STATE      PORT 0 takes any; prints "port N"
 *   c5000 rtu DEVICE UNIT STATE    115200 8N1; prints "ready"
 *
 * Lines on standard input:
 *   price N            register 101
 *   sell ML MILLI MS   one fuelling of so many millilitres and thousandths that flows for MS; prints "sold"
 *   busy N             answer the next N questions with exception 6
 *   refuse N           answer the next N questions with exception 4
 *   late N MS          answer the next N questions so much later
 *   mute N             do not answer the next N questions
 *
 * What a dispenser keeps without power is kept in the file STATE. A fuelling that ran when the power failed
 * ends at the next start. End of input ends the program.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

enum { FIRST = 100, REGISTERS = 32 };

struct memory {
    uint32_t last_ml, last_milli, running_ml, running_milli;
    uint64_t total_ml, total_milli;
    uint16_t price;
    uint16_t has_sold;
};

static struct memory memory;
static const char *memory_path;
static modbus_t *bus;
static modbus_mapping_t *map;
static long long began_ms, ends_ms;
static int busy, refuse, late, late_ms, mute;

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
    exit(1);
}

static void keep(void)
{
    char fresh[4096];
    snprintf(fresh, sizeof fresh, "%s.new", memory_path);
    FILE *file = fopen(fresh, "wb");
    if (file == NULL || fwrite(&memory, sizeof memory, 1, file) != 1 || fclose(file) != 0
        || rename(fresh, memory_path) != 0)
        die(memory_path);
}

static void finish_fuelling(void)
{
    memory.last_ml = memory.running_ml;
    memory.last_milli = memory.running_milli;
    memory.total_ml += memory.running_ml;
    memory.total_milli += memory.running_milli;
    memory.running_ml = memory.running_milli = 0;
    memory.has_sold = 1;
    keep();
}

static void recall(void)
{
    FILE *file = fopen(memory_path, "rb");
    if (file == NULL)
        return;
    if (fread(&memory, sizeof memory, 1, file) != 1)
        die(memory_path);
    fclose(file);
    if (memory.running_ml != 0)
        finish_fuelling();
}

static void put(int address, uint16_t word)
{
    map->tab_registers[address - FIRST] = word;
}

static void put_long(int address, uint32_t count)
{
    put(address, count >> 16);
    put(address + 1, count & 0xFFFF);
}

static void put_digits(int address, uint64_t count)
{
    for (int place = 2; place >= 0; place--) {
        uint16_t word = 0;
        for (int digit = 0; digit < 4; digit++, count /= 10)
            word |= (count % 10) << 4 * digit;
        put(address + place, word);
    }
}

static void show(void)
{
    int runs = memory.running_ml != 0;
    uint32_t shown = memory.last_ml;
    if (runs)
        shown = (uint64_t)memory.running_ml * (now_ms() - began_ms) / (ends_ms - began_ms + 1);
    put(101, memory.price);
    put_long(102, shown);
    put_digits(106, memory.total_ml);
    put_digits(109, memory.total_milli);
    put(124, !runs && memory.has_sold);
    put_long(125, memory.last_ml);
    put_long(127, memory.last_milli);
}

static void obey(const char *line)
{
    unsigned one, other, third;
    if (sscanf(line, "price %u", &one) == 1) {
        memory.price = one;
        keep();
    } else if (sscanf(line, "sell %u %u %u", &one, &other, &third) == 3) {
        memory.running_ml = one;
        memory.running_milli = other;
        keep();
        began_ms = now_ms();
        ends_ms = began_ms + third;
    } else if (sscanf(line, "busy %u", &one) == 1) {
        busy = one;
    } else if (sscanf(line, "refuse %u", &one) == 1) {
        refuse = one;
    } else if (sscanf(line, "late %u %u", &one, &other) == 2) {
        late = one;
        late_ms = other;
    } else if (sscanf(line, "mute %u", &one) == 1) {
        mute = one;
    } else {
        fprintf(stderr, "not understood: %s\n", line);
        exit(1);
    }
}

/* 0 at the end of input. */
static int hear_orders(void)
{
    static char kept[4096];
    static size_t length;
    ssize_t got = read(0, kept + length, sizeof kept - 1 - length);
    if (got <= 0)
        return 0;
    length += got;
    kept[length] = 0;
    for (char *end; (end = strchr(kept, '\n')) != NULL;) {
        *end = 0;
        obey(kept);
        length -= end + 1 - kept;
        memmove(kept, end + 1, length + 1);
    }
    return 1;
}

static void answer(const uint8_t *question, int size)
{
    if (mute > 0) {
        mute--;
        return;
    }
    if (late > 0) {
        late--;
        usleep(late_ms * 1000);
    }
    if (busy > 0) {
        busy--;
        modbus_reply_exception(bus, question, MODBUS_EXCEPTION_SLAVE_OR_SERVER_BUSY);
    } else if (refuse > 0) {
        refuse--;
        modbus_reply_exception(bus, question, MODBUS_EXCEPTION_SLAVE_OR_SERVER_FAILURE);
    } else {
        show();
        modbus_reply(bus, question, size, map);
    }
}

static void open_bus(const char *kind, const char *place, int unit, int *listener)
{
    if (strcmp(kind, "tcp") == 0) {
        bus = modbus_new_tcp("127.0.0.1", atoi(place));
        if (bus == NULL || (*listener = modbus_tcp_listen(bus, 1)) < 0)
            die("listen");
        struct sockaddr_in name;
        socklen_t size = sizeof name;
        getsockname(*listener, (struct sockaddr *)&name, &size);
        printf("port %d\n", ntohs(name.sin_port));
        modbus_set_slave(bus, unit);
        return;
    }
    bus = modbus_new_rtu(place, 115200, 'N', 8, 1);
    if (bus == NULL || modbus_set_slave(bus, unit) != 0 || modbus_connect(bus) != 0)
        die("connect");
    puts("ready");
}

int main(int count, char **words)
{
    if (count != 5)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    memory_path = words[4];
    recall();
    map = modbus_mapping_new_start_address(0, 0, 0, 0, FIRST, REGISTERS, 0, 0);
    int listener = -1;
    open_bus(words[1], words[2], atoi(words[3]), &listener);
    int wire = listener < 0 ? modbus_get_socket(bus) : -1;
    for (;;) {
        fd_set waiting;
        FD_ZERO(&waiting);
        FD_SET(0, &waiting);
        if (listener >= 0)
            FD_SET(listener, &waiting);
        if (wire >= 0)
            FD_SET(wire, &waiting);
        struct timeval a_while = {0, 5000};
        int most = wire > listener ? wire : listener;
        int ready = select(most + 1, &waiting, NULL, NULL, memory.running_ml != 0 ? &a_while : NULL);
        if (memory.running_ml != 0 && now_ms() >= ends_ms) {
            finish_fuelling();
            puts("sold");
        }
        if (ready <= 0)
            continue;
        if (listener >= 0 && FD_ISSET(listener, &waiting)) {
            if (wire >= 0)
                close(wire);
            modbus_tcp_accept(bus, &listener);
            wire = modbus_get_socket(bus);
        } else if (wire >= 0 && FD_ISSET(wire, &waiting)) {
            uint8_t question[MODBUS_TCP_MAX_ADU_LENGTH];
            int size = modbus_receive(bus, question);
            if (size > 0)
                answer(question, size);
            else if (size < 0 && listener >= 0) {
                close(wire);
                wire = -1;
            }
        }
        if (FD_ISSET(0, &waiting) && !hear_orders())
            return 0;
    }
}
