// Checks of numbers on the command line, with errors that fit into a line.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <string>

namespace ndcao {

inline CLI::Validator AtLeastZero() {
  return {[](std::string& text) {
            return std::strtod(text.c_str(), nullptr) >= 0 ? "" : text + ": expected 0 or more";
          },
          "0 or more"};
}

inline CLI::Validator AboveZero() {
  return {[](std::string& text) {
            return std::strtod(text.c_str(), nullptr) > 0 ? "" : text + ": expected more than 0";
          },
          "above 0"};
}

}  // namespace ndcao
