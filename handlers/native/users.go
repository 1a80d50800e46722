package native

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"chatbell"
)

func (a *api) userRoutes() []route {
	return []route{
		{http.MethodPut, "/v1/users/:user", a.putUser, server, docPutUser},
		{http.MethodGet, "/v1/users/:user", a.getUser, server, docGetUser},
		{http.MethodDelete, "/v1/users/:user", a.deleteUser, server, docDeleteUser},
	}
}

func (a *api) putUser(c echo.Context) error {
	id, err := pathID(c, "user")
	if err != nil {
		return err
	}
	var in userInput
	if err := readJSON(c, &in); err != nil {
		return err
	}
	k := &checker{}
	k.samePathID(string(in.ID), id)
	u := chatbell.User(in)
	u.ID = chatbell.UserID(id)
	k.details("", &chatbell.Person{Name: u.Name, Locale: u.Locale, Timezone: u.Timezone, Roles: u.Roles})
	if err := k.result(); err != nil {
		return err
	}
	if err := a.state.PutUser(c.Request().Context(), callerOf(c).network, u); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, u)
}

func (a *api) getUser(c echo.Context) error {
	id, err := pathID(c, "user")
	if err != nil {
		return err
	}
	u, err := a.state.User(c.Request().Context(), callerOf(c).network, chatbell.UserID(id))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, u)
}

func (a *api) deleteUser(c echo.Context) error {
	id, err := pathID(c, "user")
	if err != nil {
		return err
	}
	if err := a.state.DeleteUser(c.Request().Context(), callerOf(c).network, chatbell.UserID(id)); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
