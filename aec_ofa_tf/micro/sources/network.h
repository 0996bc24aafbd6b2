/* What main.c needs of a network: int8 log-mel in, int8 scores out. Compiled with -DWITH_NETWORK,
 * main.c is linked with the functions of this file, which call the micro library. */
#ifndef NETWORK_H
#define NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An int8 tensor: a value is (integer - zero_point) * scale. */
typedef struct {
    int8_t *values;
    int32_t count;
    float scale;
    int32_t zero_point;
} network_tensor;

/* Prepares the network, once, and returns its input [frames, mel bins] and its output [classes].
 * Returns false if the library cannot run it: its arena is too small or an operator is missing. */
bool network_start(network_tensor *input, network_tensor *output);

/* Computes the output from the input. Returns false on an error of the library. */
bool network_run(void);

/* The name of a class. */
const char *network_label(int32_t index);

#ifdef __cplusplus
}
#endif

#endif
