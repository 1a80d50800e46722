package native

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"chatbell"
	"chatbell/handlers/web"
)

func (a *api) userRoutes() []web.Route {
	return []web.Route{
		{Method: http.MethodPut, Path: "/v1/users/:user", Handle: a.putUser, Access: web.Server, Doc: docPutUser},
		{Method: http.MethodGet, Path: "/v1/users/:user", Handle: a.getUser, Access: web.Server, Doc: docGetUser},
		{Method: http.MethodDelete, Path: "/v1/users/:user", Handle: a.deleteUser, Access: web.Server, Doc: docDeleteUser},
	}
}

func (a *api) putUser(c echo.Context) error {
	id, err := web.PathID(c, "user")
	if err != nil {
		return err
	}
	var input userInput
	if err := web.ReadJSON(c, &input); err != nil {
		return err
	}
	check := &web.Checker{}
	check.SamePathID(string(input.ID), id)
	entry := member(input)
	entry.ID = chatbell.UserID(id)
	entry.check(check, "")
	if err := check.Result(); err != nil {
		return err
	}
	user := chatbell.User(entry)
	if err := a.state.PutUser(c.Request().Context(), web.CallerOf(c).Network, user); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, user)
}

func (a *api) getUser(c echo.Context) error {
	id, err := web.PathID(c, "user")
	if err != nil {
		return err
	}
	user, err := a.state.User(c.Request().Context(), web.CallerOf(c).Network, chatbell.UserID(id))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, user)
}

func (a *api) deleteUser(c echo.Context) error {
	id, err := web.PathID(c, "user")
	if err != nil {
		return err
	}
	if err := a.state.DeleteUser(c.Request().Context(), web.CallerOf(c).Network, chatbell.UserID(id)); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
