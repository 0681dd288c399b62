/* photos.h: pictures and a model that need nothing from outside the source tree.
 *
 * Errors: fail the test. */
#pragma once

/* `count` small JPEGs of differing sizes and kinds as FOLDER/a/000.jpg, FOLDER/b/001.jpg, ... The folder is made. */
void photos_draw(const char *folder, int count);
void photo_draw(const char *path, int number);

/* A ResNet-18 with random weights. */
void model_write(const char *path, int classes);
