// A program as the objective, in C++ and without any library:
//
//   ndcao train --objective exec:./exec_objective --init-zeros 50 --budget 200k
#include <fcntl.h>
#include <sys/mman.h>

#include <cstdlib>
#include <iostream>
#include <string>

int main() {
  const char* path = std::getenv("NDCAO_PARAMS");
  const char* count_text = std::getenv("NDCAO_COUNT");
  if (path == nullptr || count_text == nullptr) {
    std::cerr << "exec_objective: it is started by ndcao train --objective exec:...\n";
    return 2;
  }
  const std::size_t count = std::strtoull(count_text, nullptr, 10);
  const int file = open(path, O_RDONLY);
  void* memory = mmap(nullptr, count * sizeof(float), PROT_READ, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) {
    std::cerr << "exec_objective: cannot map " << path << '\n';
    return 1;
  }
  const float* x = static_cast<const float*>(memory);
  // One line for each request; what the request says does not matter to this objective.
  for (std::string request; std::getline(std::cin, request);) {
    double loss = 0;
    for (std::size_t i = 0; i < count; ++i) loss += (x[i] - 1.0) * (x[i] - 1.0);
    std::cout << "{\"loss\": " << loss / static_cast<double>(count) << '}' << std::endl;
  }
}
