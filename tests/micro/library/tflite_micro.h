// The part of the micro library's interface that the written files use, for linking them with the
// library inside the Python package tflite_micro, which comes without headers.
//
// Names, namespaces, arguments and the order of virtual functions must be the library's; objects
// that it makes itself have more room than they need.
#ifndef TESTS_TFLITE_MICRO_H_
#define TESTS_TFLITE_MICRO_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };
enum TfLiteType { kTfLiteNoType = 0, kTfLiteInt8 = 9 };

#define TF_LITE_ENSURE_STATUS(a)   \
  do {                             \
    const TfLiteStatus s = (a);    \
    if (s != kTfLiteOk) return s;  \
  } while (0)

union TfLitePtrUnion {
  int8_t *int8;
  void *data;
};

// As with TF_LITE_STATIC_MEMORY.
struct TfLiteTensor {
  struct {
    int type;
    void *params;
  } quantization;
  struct {
    float scale;
    int32_t zero_point;
  } params;
  TfLitePtrUnion data;
  void *dims;
  size_t bytes;
  TfLiteType type;
  int allocation_type;
  bool is_variable;
};

namespace tflite {

enum BuiltinOperator : int32_t {};
struct Model;

inline const Model *GetModel(const void *buffer) {
  uint32_t offset;
  std::memcpy(&offset, buffer, sizeof(offset));
  return reinterpret_cast<const Model *>(static_cast<const uint8_t *>(buffer) + offset);
}

namespace micro {

struct TFLMRegistration;
class MicroResourceVariables;
class MicroProfilerInterface;
using Parser = void *;

class MicroOpResolver {
 public:
  virtual const TFLMRegistration *FindOp(BuiltinOperator op) const = 0;
  virtual const TFLMRegistration *FindOp(const char *op) const = 0;
  virtual Parser GetOpDataParser(BuiltinOperator op) const = 0;
  virtual ~MicroOpResolver() {}
};

class MicroInterpreter {
 public:
  MicroInterpreter(const Model *model, const MicroOpResolver &resolver, uint8_t *arena,
                   size_t arena_size, MicroResourceVariables *variables = nullptr,
                   MicroProfilerInterface *profiler = nullptr, bool keep_all = false);
  ~MicroInterpreter();
  TfLiteStatus AllocateTensors();
  TfLiteStatus Invoke();
  TfLiteTensor *input(size_t index);
  TfLiteTensor *output(size_t index);

 private:
  alignas(16) unsigned char room_[1 << 14];
};

}  // namespace micro

// The library's own resolver, with all operators.
class PythonOpsResolver : public micro::MicroOpResolver {
 public:
  PythonOpsResolver();
  const micro::TFLMRegistration *FindOp(BuiltinOperator op) const override;
  const micro::TFLMRegistration *FindOp(const char *op) const override;
  micro::Parser GetOpDataParser(BuiltinOperator op) const override;

 private:
  alignas(16) unsigned char room_[1 << 18];
};

namespace micro {

// Knows the operators that were added and no others.
template <unsigned int kCount>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
  const TFLMRegistration *FindOp(BuiltinOperator op) const override {
    return added_.count(op) ? all()->FindOp(op) : nullptr;
  }
  const TFLMRegistration *FindOp(const char *) const override { return nullptr; }
  Parser GetOpDataParser(BuiltinOperator op) const override { return all()->GetOpDataParser(op); }
#include "methods.inc"

 private:
  TfLiteStatus Add(int32_t code) {
    if (added_.size() == kCount) return kTfLiteError;
    added_.insert(code);
    return kTfLiteOk;
  }
  // Calls go through the table of virtual functions that the library's constructor sets.
  static const MicroOpResolver *all() {
    static PythonOpsResolver *const resolver = new PythonOpsResolver;
    return resolver;
  }
  std::set<int32_t> added_;
};

}  // namespace micro
}  // namespace tflite

#endif  // TESTS_TFLITE_MICRO_H_
