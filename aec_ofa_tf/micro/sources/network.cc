// The functions of network.h for the model of model_data.h, by TFLite's micro library. C++14.
//
// Compile it with main.c, front_end.c and model_data.cc, and link the library (tflite-micro, or
// esp-tflite-micro). The arena lies in static memory.
#include "network.h"

#include <cstddef>

#include "model_data.h"
#include "op_resolver.h"
#include "tensorflow/lite/c/common.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace {

// The library's names are in tflite, those of later versions in tflite::micro.
using namespace tflite;
using namespace tflite::micro;

alignas(16) uint8_t arena[MODEL_ARENA_BYTES];
MicroInterpreter *started = nullptr;

MicroInterpreter *Start() {
  static ModelOpResolver resolver;
  if (RegisterModelOps(resolver) != kTfLiteOk) {
    return nullptr;
  }
  static MicroInterpreter interpreter(GetModel(kModelData), resolver, arena, sizeof(arena));
  return interpreter.AllocateTensors() == kTfLiteOk ? &interpreter : nullptr;
}

bool Describe(TfLiteTensor *tensor, size_t count, float scale, int32_t zero_point,
              network_tensor *described) {
  if (tensor == nullptr || tensor->type != kTfLiteInt8 || tensor->bytes != count) {
    return false;
  }
  described->values = tensor->data.int8;
  described->count = static_cast<int32_t>(count);
  described->scale = scale;
  described->zero_point = zero_point;
  return true;
}

}  // namespace

bool network_start(network_tensor *input, network_tensor *output) {
  if (started == nullptr) {
    started = Start();
  }
  return started != nullptr &&
         Describe(started->input(0), MODEL_FRAMES * MODEL_MEL_BINS, MODEL_INPUT_SCALE,
                  MODEL_INPUT_ZERO_POINT, input) &&
         Describe(started->output(0), MODEL_CLASSES, MODEL_OUTPUT_SCALE, MODEL_OUTPUT_ZERO_POINT,
                  output);
}

bool network_run() { return started != nullptr && started->Invoke() == kTfLiteOk; }

const char *network_label(int32_t index) { return kModelLabels[index]; }
